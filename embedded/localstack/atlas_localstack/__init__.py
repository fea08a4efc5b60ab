"""What the embedded image adds to LocalStack: state that outlives the process where PERSISTENCE=1."""
