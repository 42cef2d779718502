package prom

import (
	"fmt"
	"mime"
	"net/http"
	"strings"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
)

const (
	contentType     = "Content-Type"
	contentEncoding = "Content-Encoding"
	protobuf        = "application/x-protobuf"
	snappy          = "snappy"
)

// negotiate finds out which message a remote write holds. It returns the request with its headers in the spelling that
// upstream's handler knows: that takes "application/x-protobuf; proto=...", with a space that RFC 9110 allows, for a
// message of version 1, finds nothing in it, and answers that all is well.
func negotiate(r *Request) (*Request, remoteapi.WriteMessageType, *Answer) {
	encoding, kind := r.Header.Get(contentEncoding), r.Header.Get(contentType)
	if encoding != "" && !strings.EqualFold(encoding, snappy) {
		return nil, "", plain(http.StatusUnsupportedMediaType, fmt.Sprintf("%.100q encoding (compression) is not accepted by this server; only %s is acceptable", encoding, snappy))
	}
	version, err := versionOf(kind)
	if err != nil {
		return nil, "", plain(http.StatusUnsupportedMediaType, err.Error())
	}
	usual := protobuf + ";proto=" + string(version)
	if kind == usual && (encoding == snappy || encoding == "") {
		return r, version, nil
	}
	again := *r
	again.Header = r.Header.Clone()
	if again.Header == nil {
		again.Header = http.Header{}
	}
	again.Header.Set(contentType, usual)
	again.Header.Set(contentEncoding, snappy)
	return &again, version, nil
}

// versionOf returns which message a content type stands for.
func versionOf(kind string) (remoteapi.WriteMessageType, error) {
	if kind == "" {
		return remoteapi.WriteV1MessageType, nil
	}
	media, params, err := mime.ParseMediaType(kind)
	if err != nil || media != protobuf {
		return "", fmt.Errorf("expected %s as the content type, got %.100q", protobuf, kind)
	}
	name, given := params["proto"]
	if !given {
		return remoteapi.WriteV1MessageType, nil
	}
	version := remoteapi.WriteMessageType(name)
	if !accepted.Contains(version) {
		return "", fmt.Errorf("got content type %.100q; unknown message, supported: %s", kind, accepted)
	}
	return version, nil
}
