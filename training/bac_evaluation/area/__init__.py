"""What an area says of the mass, where none can be measured: the study and its fit."""
