// stats=json: one line at the end, in the log.
// modes: malloc leak gc
// native: no
// gleaner: stats=json
// stderr: {"version":1,"pid":*,"mode":"*","metrics":{"heap_live_bytes":*"cycles_abandoned":{},"cycles_by_cause":{}}}
#include "check.h"

static void *volatile kept;
int main(void) { kept = malloc(100); }
