"""Who calls, what they may do, and whose documents they see."""
