"""Is a probability of BAC what it says: judged findings, calibration, reliability."""
