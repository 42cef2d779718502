// Package protocol gives every service the codec of its protocol.
package protocol

import (
	"fmt"

	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/awsjson"
	"github.com/strongroom/strongroom/wire/awsquery"
	"github.com/strongroom/strongroom/wire/raw"
	"github.com/strongroom/strongroom/wire/restjson"
	"github.com/strongroom/strongroom/wire/restxml"
)

// New makes the codec that speaks svc's protocol. It fails when the Go types of svc
// do not fit its description.
func New(svc *wire.Service) (wire.Codec, error) {
	switch svc.Protocol {
	case wire.JSON10, wire.JSON11:
		return awsjson.New(svc)
	case wire.Query:
		return awsquery.New(svc)
	case wire.RESTJSON:
		return restjson.New(svc)
	case wire.RESTXML:
		return restxml.New(svc)
	case wire.Raw:
		return raw.New(svc)
	}
	return nil, fmt.Errorf("protocol: %s names no protocol", svc.Name)
}
