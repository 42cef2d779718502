// Package rcf finds anomalies in a stream of numbers with a random cut forest.
//
// Sources: S. Guha, N. Mishra, G. Roy, O. Schrijvers, "Robust Random Cut Forest Based Anomaly Detection on Streams", ICML
// 2016, for the trees, the cuts and the displacement by which a point is judged; P. S. Efraimidis, P. G. Spirakis, "Weighted
// random sampling with a reservoir", 2006, with weights that grow in time as the first paper proposes, for the samples.
//
// # Words
//
// A shingle is the last few values of the stream, as a point of as many dimensions. A tree cuts the space of its sample of
// shingles at random until each is alone. The displacement of a point is how much shallower the others would lie without it:
// the largest number of others that its presence, or that of those close to it, pushes down (CoDisp, section 3.1). A forest is many
// trees over samples of their own; what it says is the mean of theirs.
//
// # What holds
//
//   - The same options, seed and values give the same results, on every machine.
//   - The memory of a Detector is bounded, and Memory says by how much. It holds no value older than Detector's history.
//   - Values that are no numbers, or infinite, are not taken.
//
// # Map
//
//	tree.go      one tree: insertion, deletion, displacement, forecast
//	box.go       the boxes around points that a tree keeps
//	forest.go    trees with their samples
//	detector.go  Detector: shingles, the score, the band of expected values
package rcf
