"""What everyone may import."""
