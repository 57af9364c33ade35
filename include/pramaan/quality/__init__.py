"""What a load looks like as a whole: a suite of expectations per feed, a verdict per load, and Data Docs.

The loader validates rows, one by one, and quarantines what breaks the contract. Here a load is validated as a
whole, by what no single row can tell: half the names missing, ids of another system, last year's export.

    waiting     which loads have no verdict yet; knows no Great Expectations, so that asking is cheap
    limits      how much of what is let pass, and why
    suites      the rules of each feed, as records
    rows        what the rules look at, read from Postgres without a name, an address or an id in it
    validate    a suite upon rows, by Great Expectations, which is imported when it is called
    docs        Data Docs in a folder: a page per load, an index, nothing from the network
    check       `check_loads`: all of it, load by load
"""
