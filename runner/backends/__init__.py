"""What tunes and answers: what is asked of it (`protocol`), and which one it is (`registry`)."""
