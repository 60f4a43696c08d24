"""Is a probability of BAC what it says: judged finds, calibration, reliability."""
