"""Calcium mass: background, beam calibration, scatter, blur, interval."""
