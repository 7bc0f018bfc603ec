"""Every plot of the course, in one style, each with the words for those who do not see it.

A function returns a `Picture` (or a `Gloss`); as the last line of a notebook cell it shows itself.
"""

from course_lib.figures.attention import attention_map
from course_lib.figures.decoding import search_tree
from course_lib.figures.embeddings import word_or_place
from course_lib.figures.feed_forward import activations, bent_lines, sum_of_hinges
from course_lib.figures.gloss import Gloss, gloss_table
from course_lib.figures.heads import head_maps
from course_lib.figures.masks import losses_and_floor, masks_joined
from course_lib.figures.model import the_model
from course_lib.figures.normalization import batch_noise, by_layer, shared_statistics
from course_lib.figures.picture import Picture
from course_lib.figures.positions import place_products, position_table, step_errors
from course_lib.figures.softmax import softmax_saturation
from course_lib.figures.stacks import influence, reach
from course_lib.figures.training import learning_rates, loss_curve, smoothing

__all__ = [
    "Gloss",
    "Picture",
    "activations",
    "attention_map",
    "batch_noise",
    "bent_lines",
    "by_layer",
    "gloss_table",
    "head_maps",
    "influence",
    "learning_rates",
    "loss_curve",
    "losses_and_floor",
    "masks_joined",
    "place_products",
    "position_table",
    "reach",
    "search_tree",
    "shared_statistics",
    "smoothing",
    "softmax_saturation",
    "step_errors",
    "sum_of_hinges",
    "the_model",
    "word_or_place",
]
