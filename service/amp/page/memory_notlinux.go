//go:build unix && !linux

package page

const noReserve = 0
