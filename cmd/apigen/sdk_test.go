package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	sdkamp "github.com/aws/aws-sdk-go-v2/service/amp"
	sdkcloudtrail "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	sdklogs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdkkms "github.com/aws/aws-sdk-go-v2/service/kms"
	sdkproton "github.com/aws/aws-sdk-go-v2/service/proton"
	sdks3 "github.com/aws/aws-sdk-go-v2/service/s3"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/api/cloudtrail"
	"github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/api/sts"
	servicelogs "github.com/strongroom/strongroom/service/logs"
	"github.com/strongroom/strongroom/wire"
)

// leftOut are the operations of the current SDK that we leave out entirely, by the
// beginning of their names, and why.
var leftOut = []struct{ service, operation, why string }{
	{"cloudtrail", "CreateDashboard", dashboards},
	{"cloudtrail", "DeleteDashboard", dashboards},
	{"cloudtrail", "GetDashboard", dashboards},
	{"cloudtrail", "ListDashboards", dashboards},
	{"cloudtrail", "StartDashboardRefresh", dashboards},
	{"cloudtrail", "UpdateDashboard", dashboards},
	{"cloudtrail", "GenerateQuery", dashboards},
	{"cloudtrail", "SearchSampleQueries", dashboards},
	{"cloudtrail", "ListInsightsData", "there is no statistical model of calls to ask"},
	{"iam", "AcceptDelegationRequest", delegation},
	{"iam", "AssociateDelegationRequest", delegation},
	{"iam", "CreateDelegationRequest", delegation},
	{"iam", "GetDelegationRequest", delegation},
	{"iam", "ListDelegationRequests", delegation},
	{"iam", "RejectDelegationRequest", delegation},
	{"iam", "SendDelegationToken", delegation},
	{"iam", "UpdateDelegationRequest", delegation},
	{"iam", "AcquireRole", templates},
	{"iam", "GetRoleTemplateVersion", templates},
	{"iam", "GetHumanReadableSummary", "a summary written by a language model"},
	{"iam", "GetAccountProperties", "properties of AWS's own console"},
	{"iam", "PutAccountProperties", "properties of AWS's own console"},
	{"s3", "CreateBucketMetadata", tables},
	{"s3", "DeleteBucketMetadata", tables},
	{"s3", "GetBucketMetadata", tables},
	{"s3", "UpdateBucketMetadata", tables},
	{"s3", "ListDirectoryBuckets", "told from ListBuckets by its host name alone; we have no directory buckets"},
	{"s3", "DeleteObjectAnnotation", annotations},
	{"s3", "GetObjectAnnotation", annotations},
	{"s3", "ListObjectAnnotations", annotations},
	{"s3", "PutObjectAnnotation", annotations},
}

const (
	dashboards  = "pages and query texts of AWS's own console"
	delegation  = "asks an AWS partner's console for rights in an account"
	templates   = "roles that AWS services make from templates AWS publishes"
	tables      = "writes Iceberg tables into S3 Tables, which we do not have"
	annotations = "a second content beside each object; not needed by any of our workloads"
)

// otherwise are members and enums that we have in another form, and why.
var otherwise = map[string]string{
	"GetObjectOutput.ExpiresString":  "the SDK's second reading of the header that Expires holds",
	"HeadObjectOutput.ExpiresString": "the SDK's second reading of the header that Expires holds",
	"BucketLocationConstraint":       "a string: the names of regions are the operator's",
}

// inPart are the services of which nothing is kept up to date but what we implement, by the type that does.
var inPart = map[string]any{"logs": (*servicelogs.Service)(nil)}

func isLeftOut(service, operation string) bool {
	return slices.ContainsFunc(leftOut, func(l struct{ service, operation, why string }) bool {
		return l.service == service && strings.HasPrefix(operation, l.operation)
	})
}

// TestNothingIsMissing compares our APIs with the types of the current SDK: every
// operation, member and enum value that a new client can send must be known here.
func TestNothingIsMissing(t *testing.T) {
	for _, s := range []struct {
		api    *wire.Service
		client any
	}{
		{amp.API, (*sdkamp.Client)(nil)},
		{cloudtrail.API, (*sdkcloudtrail.Client)(nil)},
		{iam.API, (*sdkiam.Client)(nil)},
		{kms.API, (*sdkkms.Client)(nil)},
		{logs.API, (*sdklogs.Client)(nil)},
		{proton.API, (*sdkproton.Client)(nil)},
		{s3.API, (*sdks3.Client)(nil)},
		{sts.API, (*sdksts.Client)(nil)},
	} {
		t.Run(s.api.Name, func(t *testing.T) {
			c := comparison{seen: map[[2]any]bool{}, missing: map[string]bool{}}
			c.client(s.api, reflect.TypeOf(s.client))
			for _, m := range slices.Sorted(maps.Keys(c.missing)) {
				t.Errorf("missing: %s", m)
			}
		})
	}
}

type comparison struct {
	seen    map[[2]any]bool
	missing map[string]bool
}

func (c *comparison) miss(format string, args ...any) { c.missing[fmt.Sprintf(format, args...)] = true }

func (c *comparison) client(api *wire.Service, client reflect.Type) {
	for i := range client.NumMethod() {
		m := client.Method(i)
		// func(*Client, context.Context, *XInput, ...func(*Options)) (*XOutput, error)
		if m.Type.NumIn() != 4 || m.Type.NumOut() != 2 || m.Type.In(2).Elem().Name() != m.Name+"Input" {
			continue
		}
		op := api.Operation(m.Name)
		switch out := isLeftOut(api.Name, m.Name); {
		case inPart[api.Name] != nil && (op == nil || !wire.Implemented(inPart[api.Name], op)):
		case op == nil && !out:
			c.miss("operation %s %s", api.Name, m.Name)
		case op != nil && out:
			c.miss("reason to say that %s %s is left out: it is here", api.Name, m.Name)
		case op != nil:
			c.compare(op.Input.Name, op.Input, m.Type.In(2))
			c.compare(op.Output.Name, op.Output, m.Type.Out(0))
		}
	}
}

// compare walks an SDK type beside our shape.
func (c *comparison) compare(path string, ours *wire.Shape, sdk reflect.Type) {
	if key := [2]any{ours, sdk}; c.seen[key] {
		return
	} else {
		c.seen[key] = true
	}
	for sdk.Kind() == reflect.Pointer {
		sdk = sdk.Elem()
	}
	switch {
	case sdk.Kind() == reflect.Interface: // a union, a stream or a document
	case sdk.Kind() == reflect.Slice && ours.Elem != nil, sdk.Kind() == reflect.Map && ours.Elem != nil:
		c.compare(path+"[]", ours.Elem.Shape, sdk.Elem())
	case sdk.Kind() == reflect.Struct && ours.Kind == wire.Structure:
		c.structure(path, ours, sdk)
	case sdk.Kind() == reflect.String:
		c.enum(ours, sdk)
	}
}

func (c *comparison) structure(path string, ours *wire.Shape, sdk reflect.Type) {
	for i := range sdk.NumField() {
		f := sdk.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue
		}
		var found *wire.Member
		for _, m := range ours.Members {
			if strings.EqualFold(m.Name, f.Name) {
				found = m
			}
		}
		if _, ok := otherwise[ours.Name+"."+f.Name]; ok {
			continue
		}
		if found == nil {
			c.miss("%s.%s %s", ours.Name, f.Name, f.Type)
			continue
		}
		c.compare(path+"."+f.Name, found.Shape, f.Type)
	}
}

func (c *comparison) enum(ours *wire.Shape, sdk reflect.Type) {
	values := reflect.Zero(sdk).MethodByName("Values")
	if _, ok := otherwise[ours.Name]; ok || !values.IsValid() {
		return
	}
	list := values.Call(nil)[0]
	for i := range list.Len() {
		if v := list.Index(i).String(); !slices.Contains(ours.Enum, v) {
			c.miss("%s value %q of %s", ours.Name, v, sdk.Name())
		}
	}
}
