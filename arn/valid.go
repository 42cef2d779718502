package arn

import "strings"

// The partitions: the separate worlds of accounts and regions.
const (
	PartitionAWS   = "aws"        // the commercial regions
	PartitionChina = "aws-cn"     // regions cn-*
	PartitionGov   = "aws-us-gov" // regions us-gov-*
)

// ValidPartition reports whether s is one of the partitions we know.
func ValidPartition(s string) bool {
	return s == PartitionAWS || s == PartitionChina || s == PartitionGov
}

// PartitionOf returns the partition that a region belongs to.
func PartitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return PartitionChina
	case strings.HasPrefix(region, "us-gov-"):
		return PartitionGov
	}
	return PartitionAWS
}

// ValidAccount reports whether s is an account id: twelve digits.
func ValidAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// ValidRegion reports whether s has the form of a region's name: lower-case words joined by
// hyphens, at least three, the last a number (us-east-1, ap-southeast-2, us-gov-west-1). It
// does not ask whether there is such a region: an operator names their own.
func ValidRegion(s string) bool {
	if len(s) > 32 {
		return false
	}
	words := 0
	for rest, more := s, true; more; words++ {
		var word string
		word, rest, more = strings.Cut(rest, "-")
		if !regionWord(word, more) {
			return false
		}
	}
	return words >= 3
}

// regionWord reports whether word may stand in a region's name: letters, or digits at its end.
func regionWord(word string, more bool) bool {
	for i := range len(word) {
		c := word[i]
		if more && (c < 'a' || c > 'z') || !more && (c < '0' || c > '9') {
			return false
		}
	}
	return word != "" && len(word) <= 16
}

// validService reports whether s may be the service part of a name.
func validService(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
