"""Learning from fragments: objectives, gradients, optimizer."""
