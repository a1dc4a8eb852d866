// A program that does nothing wrong is not accused, at level 3.
// native: no
// gleaner: secure=3
// flags: -pthread
#include "right.h"
