#!/bin/bash
# ImageMagick makes, scales, blurs and writes pictures, with its threads.
# needs: convert identify
convert -size 600x400 gradient:red-blue -blur 0x3 -resize 300x200 -rotate 30 a.png && identify -format '%wx%h %m\n' a.png
convert a.png -colorspace Gray -quality 80 b.jpg && identify -format '%wx%h %m %[colorspace]\n' b.jpg
convert -size 200x200 plasma:fractal -seed 1 -swirl 90 c.gif && identify -format '%wx%h\n' c.gif
convert a.png -crop 50x50+10+10 +repage txt:- | md5sum
convert none.png x.png; echo "status $?"
