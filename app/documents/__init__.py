"""What happens to an uploaded file: kept, journalled, read, indexed, deleted."""
