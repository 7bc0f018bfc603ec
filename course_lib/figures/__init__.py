"""Every plot of the course, in one style, each with the words for those who do not see it.

A function returns a `Picture` (or a `Gloss`); as the last line of a notebook cell it shows itself.
"""

from course_lib.figures.attention import attention_map
from course_lib.figures.gloss import Gloss, gloss_table
from course_lib.figures.model import the_model
from course_lib.figures.picture import Picture
from course_lib.figures.positions import position_table
from course_lib.figures.softmax import softmax_saturation
from course_lib.figures.training import loss_curve

__all__ = [
    "Gloss",
    "Picture",
    "attention_map",
    "gloss_table",
    "loss_curve",
    "position_table",
    "softmax_saturation",
    "the_model",
]
