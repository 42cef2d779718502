// Package document reads the YAML of Proton: schemas, manifests and specs. It gives a
// tree whose nodes know their line and column, so that every complaint can name its place,
// and plain values whose objects keep the order they were written in.
//
// Text comes from outside. Duplicate keys, custom tags and more than one document are
// refused; aliases are followed, but the nodes they come to are counted, so that a few
// lines cannot grow into a large tree. Everything in the package is pure.
//
//	error.go   Error, a complaint with its place
//	node.go    Node, and how it is read
//	object.go  Object, a map with an order
package document
