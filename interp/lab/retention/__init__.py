"""Recognition, recall and order after few exposures, their forgetting, and which neurons keep them."""
