#ifndef TENSORHUB_CMONGOSTART_H
#define TENSORHUB_CMONGOSTART_H

/// What this target does, it does before `main`: it holds the places of standard streams that are closed, silences
/// libmongoc, and hides passwords of connection strings from those who list processes. Then the command line is to be
/// had from here alone.

/// How many arguments there are, the program's name included.
int tensorhub_argument_count(void);

/// The argument as it was given; null behind the last one.
const char *tensorhub_argument(int index);

#endif
