"""What the process needs: TensorFlow set up, compiled functions, archives, Ray, the command line."""
