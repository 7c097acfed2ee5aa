"""Tuning: the setting of one arm that is best in one measure while another keeps a floor, searched for and then tested anew."""
