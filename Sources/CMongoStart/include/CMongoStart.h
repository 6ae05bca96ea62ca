#ifndef TENSORHUB_CMONGOSTART_H
#define TENSORHUB_CMONGOSTART_H

/// Nothing to call: what this target does, it does before `main`.

#endif
