"""Question sets whose right answers are known, built from Debian's packages."""
