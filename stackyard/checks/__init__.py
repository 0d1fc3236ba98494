"""What `stackyard doctor` looks at, one check a function, one subject a file."""
