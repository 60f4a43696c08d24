"""From images to a woman, and from one visit to the next: pure functions of results."""
