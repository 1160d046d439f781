# SPDX-License-Identifier: BSD-2-Clause
# pictures.gp - the tables of msg_sim --figures as pictures; `folder` is set.

set terminal svg size 800,500 background rgb 'white'
set datafile separator '\t'
set grid
set key left top

set output folder.'/repair_latency.svg'
set title 'what a lost frame costs: round trip 20 µs, 1 % lost both ways (simulated)'
set xlabel 'from when it was due, µs'
set ylabel 'share of lost frames'
set logscale x
set yrange [0:1]
table = folder.'/repair_latency.tsv'
plot table using 2:1 with lines lw 3 title 'libmsg', \
	table using 3:1 with lines dt 2 title "model: Aeron's multicast default", \
	table using 4:1 with lines dt 2 title "model: NORM's default", \
	table using 5:1 with lines dt 2 title "model: PGM's examples"

set output folder.'/latency_loss.svg'
set title 'latency in order, 1 M messages/s, round trip 20 µs (simulated)'
set xlabel 'loss'
set ylabel 'p99.9, µs'
set logscale xy
set yrange [*:*]
table = folder.'/latency_loss.tsv'
plot table using 1:3 with linespoints lw 3 title 'libmsg', \
	table using 1:4 with lines dt 2 title "model: Aeron's multicast default", \
	table using 1:5 with lines dt 2 title "model: NORM's default", \
	table using 1:6 with lines dt 2 title "model: PGM's examples"

set output folder.'/naks.svg'
set title 'questions for each lost frame (simulated)'
set xlabel 'receivers'
set ylabel 'NAKs'
set yrange [0.5:*]
table = folder.'/naks.tsv'
plot table using 1:3 with linespoints lw 2 title 'libmsg, one lost it', \
	table using 1:6 with linespoints lw 2 title 'libmsg, a rack of 40', \
	table using 1:9 with linespoints lw 2 title 'libmsg, everywhere', \
	table using 1:8 with lines lw 1 title 'libmsg, everywhere, the first time', \
	table using 1:11 with lines dt 2 title "model: Aeron's default, everywhere", \
	table using 1:12 with lines dt 2 title "model: NORM's default, everywhere", \
	table using 1:13 with lines dt 2 title "model: PGM's examples, everywhere"

set output folder.'/goodput.svg'
set title 'goodput over 10 Gb/s, 4000 B messages, flow control min (simulated)'
set xlabel 'loss'
set ylabel 'Gb/s'
unset logscale y
set yrange [0:*]
set key left bottom
table = folder.'/goodput.tsv'
plot table using 1:2 with linespoints lw 3 title 'one receiver', \
	table using 1:3 with linespoints lw 3 title 'eight, each its own loss', \
	table using 1:5 with lines dt 2 title 'what a link with that loss can carry to one'

set output folder.'/tail.svg'
set title 'a lost message that nothing follows: round trip 20 µs, 10 % lost both ways (simulated)'
set xlabel 'from when it was due, µs'
set ylabel 'share of lost messages'
set logscale x
set yrange [0:1]
set key right bottom
table = folder.'/tail.tsv'
plot table using 2:1 with lines lw 3 title '100 B', \
	table using 3:1 with lines lw 3 title '1400 B'

set output folder.'/slow.svg'
set title 'one of eight receivers can take 40 of 100 thousand a second (simulated)'
unset logscale
set style data histogram
set style fill solid 0.7
set xlabel 'flow control'
set ylabel '1/s, the other seven'
set yrange [0:*]
unset key
table = folder.'/slow.tsv'
plot table using 2:xtic(1)
