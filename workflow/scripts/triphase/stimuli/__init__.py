"""What was heard or seen: words and their times, annotations, sound."""
