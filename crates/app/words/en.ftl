### Every sentence that a person reads here: on the console's pages, in mail and text messages, in refusals.

# The language, as in an address of the web: de, pt-BR.
language = en
