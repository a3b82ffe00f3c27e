"""One module per verb: `arguments(parser)` declares its options, `main(arguments)` does it."""
