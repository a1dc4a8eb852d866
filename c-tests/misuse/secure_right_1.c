// A program that does nothing wrong is not accused, at level 1.
// native: no
// gleaner: secure=1
// flags: -pthread
#include "right.h"
