"""What the ward page is made of beside the twins' words.

In come estimates, how alerts stand, and who was heard on which topic. Out goes who needs somebody first, a trend of
each patient, and when sources were heard last.
"""
