"""Acting in vector environments: recurrent states carried along, whole episodes out."""
