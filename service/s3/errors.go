package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// The errors of S3 that its model does not name, with the codes, statuses and sentences
// of "Error responses" in the S3 API reference.

func badRequest(code, format string, args ...any) *wire.Error {
	return wire.Errorf(code, http.StatusBadRequest, format, args...)
}

func invalidArgument(format string, args ...any) *wire.Error {
	return badRequest("InvalidArgument", format, args...)
}

func invalidRequest(format string, args ...any) *wire.Error {
	return badRequest("InvalidRequest", format, args...)
}

func notFound(code, format string, args ...any) *wire.Error {
	return wire.Errorf(code, http.StatusNotFound, format, args...)
}

func notImplemented() *wire.Error {
	return wire.Errorf("NotImplemented", http.StatusNotImplemented, "A header you provided implies functionality that is not implemented.")
}

func accessDenied() *wire.Error {
	return wire.Errorf("AccessDenied", http.StatusForbidden, "Access Denied")
}

func malformedXML() *wire.Error {
	return badRequest("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

func noSuchBucket() *wire.Error { return api.NoSuchBucket("The specified bucket does not exist") }

func bucketNotEmpty() *wire.Error {
	return wire.Errorf("BucketNotEmpty", http.StatusConflict, "The bucket you tried to delete is not empty")
}

func noSuchKey() *wire.Error { return api.NoSuchKey("The specified key does not exist.") }

func noSuchUpload() *wire.Error {
	return api.NoSuchUpload("The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
}

func keyTooLong() *wire.Error { return badRequest("KeyTooLongError", "Your key is too long") }

func badDigest(what string) *wire.Error {
	return badRequest("BadDigest", "The %s you specified did not match the calculated checksum.", what)
}

func badMD5() *wire.Error {
	return badRequest("BadDigest", "The Content-MD5 you specified did not match what we received.")
}

func invalidDigest() *wire.Error {
	return badRequest("InvalidDigest", "The Content-MD5 you specified was invalid.")
}

func incompleteBody() *wire.Error {
	return badRequest("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
}

func entityTooLarge() *wire.Error {
	return badRequest("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
}

func preconditionFailed() *wire.Error {
	return wire.Errorf("PreconditionFailed", http.StatusPreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

// notModified carries the headers of an answer that has no body.
func notModified(headers any) *wire.Error {
	return &wire.Error{Code: "NotModified", Status: http.StatusNotModified, Message: "Not Modified", Detail: headers}
}

// elsewhere says that a bucket is in another region than the one the request was signed for.
func elsewhere(b *bucket) *wire.Error {
	e := wire.Errorf("PermanentRedirect", http.StatusMovedPermanently,
		"The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.")
	e.Detail = &api.HeadBucketOutput{BucketRegion: wire.Ptr(b.Region)}
	return e
}

func invalidRange() *wire.Error {
	return wire.Errorf("InvalidRange", http.StatusRequestedRangeNotSatisfiable, "The requested range is not satisfiable")
}

func noACLs() *wire.Error {
	return badRequest("AccessControlListNotSupported", "The bucket does not allow ACLs")
}

// internalError hides what went wrong inside, where cause may be an error of another
// service that means nothing to a client of this one.
func internalError(cause error) *wire.Error {
	e := wire.Errorf("InternalError", http.StatusInternalServerError, "We encountered an internal error. Please try again.")
	e.Fault, e.Cause = true, cause
	return e
}

// conflict says that two changes met and the client should try again.
func conflict() *wire.Error {
	return wire.Errorf("OperationAborted", http.StatusConflict,
		"A conflicting conditional operation is currently in progress against this resource. Please try again.")
}

// storeError turns what the store says into what crosses the wire. Anything but a
// conflict is an internal failure, as it should be: the client did nothing wrong.
func storeError(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return conflict().WithCause(err)
	}
	return err
}

// bodyError turns a failure to read a request's body into what crosses the wire. The
// gateway's own errors, such as that of a wrong signature, stand.
func bodyError(ctx context.Context, err error) error {
	var known *wire.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return incompleteBody().WithCause(err)
	case ctx.Err() != nil:
		return badRequest("RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period.").WithCause(err)
	}
	return err
}

// kmsError turns an error of KMS into S3's: its code behind "KMS.", and 400 where KMS
// has it so; a refusal stays AccessDenied (S3 user guide, "Error responses", KMS codes).
func kmsError(err error) error {
	var e *wire.Error
	if !errors.As(err, &e) || e.Fault {
		return err
	}
	switch e.Code {
	case "AccessDeniedException", "AccessDenied":
		c := accessDenied()
		c.Message, c.Cause = e.Message, err
		return c
	case "ThrottlingException", "LimitExceededException":
		return wire.Errorf("SlowDown", http.StatusServiceUnavailable, "Please reduce your request rate.").WithCause(err)
	}
	status := http.StatusBadRequest
	return (&wire.Error{Code: "KMS." + strings.TrimPrefix(e.Code, "KMS."), Status: status, Message: e.Message}).WithCause(err)
}

// gone reports whether err says that a piece is no longer there, because its object was
// replaced or deleted after its record had been read.
func gone(err error) bool {
	return errors.Is(err, blob.ErrNotFound) || errors.Is(err, store.ErrNotFound)
}
