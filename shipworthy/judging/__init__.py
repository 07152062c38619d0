"""What a check concludes from a reading, where that is more than comparing one value: pure, one file a question."""
