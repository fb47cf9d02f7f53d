#!/bin/sh
# Write the text that the perplexity fixtures use to standard output: Ruth, Jonah and the beginning
# of Esther in the King James version (public domain), one paragraph a chapter, verse numbers
# removed. Needs Debian's package bible-kjv (made with 4.38).
set -eu
for chapter in ruth1 ruth2 ruth3 ruth4 jonah1 jonah2 jonah3 jonah4 esther1 esther2 esther3 esther4; do
    bible -f "$chapter:1-99" | sed 's/^[0-9]*[A-Za-z]*[0-9]*:[0-9]* //' | paste -s -d ' '
    echo
done
