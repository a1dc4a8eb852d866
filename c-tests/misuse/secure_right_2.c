// A program that does nothing wrong is not accused, at level 2.
// native: no
// gleaner: secure=2
// flags: -pthread
#include "right.h"
