package sigv4

import "net/http"

// answer is what one dialect says of one kind.
type answer struct {
	status        int
	code, message string
}

// row is what all dialects say of one kind. json is the code of both JSON dialects; their message is
// Query's unless jsonMessage is set.
type row struct {
	s3, query         answer
	json, jsonMessage string
}

const (
	bad400 = http.StatusBadRequest
	no403  = http.StatusForbidden

	mismatchS3   = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	mismatch     = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	invalidToken = "The security token included in the request is invalid."
	incomplete   = "The request signature does not conform to AWS standards."
	lengthWrong  = "You did not provide the number of bytes specified by the Content-Length HTTP header"
)

// answers is AWS's wording: the S3 API reference's list of error responses, the common errors of the IAM and STS
// references, and the sentences that AWS services are seen to answer with.
var answers = [kinds]row{
	MissingSignature: {
		answer{no403, "AccessDenied", "Access Denied"},
		answer{no403, "MissingAuthenticationToken", "Request is missing Authentication Token"},
		"MissingAuthenticationTokenException", "Missing Authentication Token",
	},
	MalformedHeader: {
		answer{bad400, "AuthorizationHeaderMalformed", "The authorization header that you provided is not valid."},
		answer{bad400, "IncompleteSignature", incomplete},
		"IncompleteSignatureException", "",
	},
	MalformedQuery: {
		answer{bad400, "AuthorizationQueryParametersError", "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."},
		answer{bad400, "IncompleteSignature", incomplete},
		"IncompleteSignatureException", "",
	},
	Ambiguous: {
		answer{bad400, "InvalidArgument", "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"},
		answer{bad400, "IncompleteSignature", incomplete},
		"IncompleteSignatureException", "",
	},
	Unsupported: {
		answer{bad400, "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."},
		answer{bad400, "IncompleteSignature", incomplete},
		"IncompleteSignatureException", "",
	},
	MissingDate: {
		answer{no403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"},
		answer{bad400, "IncompleteSignature", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."},
		"IncompleteSignatureException", "",
	},
	BadScope: {
		answer{bad400, "AuthorizationHeaderMalformed", "The authorization header that you provided is not valid."},
		answer{no403, "SignatureDoesNotMatch", mismatch},
		"InvalidSignatureException", "",
	},
	DateMismatch: {
		answer{bad400, "AuthorizationHeaderMalformed", "The authorization header is malformed; Invalid credential date. Date is not the same as X-Amz-Date."},
		answer{no403, "SignatureDoesNotMatch", mismatch},
		"InvalidSignatureException", "",
	},
	Skewed: {
		answer{no403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."},
		answer{no403, "SignatureDoesNotMatch", "Signature expired"},
		"InvalidSignatureException", "",
	},
	Expired: {
		answer{no403, "AccessDenied", "Request has expired"},
		answer{no403, "SignatureDoesNotMatch", "Signature expired"},
		"InvalidSignatureException", "",
	},
	NotYetValid: {
		answer{no403, "AccessDenied", "Request is not valid yet"},
		answer{no403, "SignatureDoesNotMatch", "Signature not yet current"},
		"InvalidSignatureException", "",
	},
	HeadersNotSigned: {
		answer{no403, "AccessDenied", "There were headers present in the request which were not signed"},
		answer{no403, "SignatureDoesNotMatch", mismatch},
		"InvalidSignatureException", "",
	},
	InvalidURI: {
		answer{bad400, "InvalidURI", "Couldn't parse the specified URI."},
		answer{http.StatusNotFound, "MalformedQueryString", "The query string contains a syntax error."},
		"MalformedQueryStringException", "",
	},
	UnknownKey: {
		answer{no403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."},
		answer{no403, "InvalidClientTokenId", invalidToken},
		"UnrecognizedClientException", "",
	},
	BadToken: {
		answer{bad400, "InvalidToken", "The provided token is malformed or otherwise invalid."},
		answer{no403, "InvalidClientTokenId", invalidToken},
		"UnrecognizedClientException", "",
	},
	ExpiredToken: {
		answer{bad400, "ExpiredToken", "The provided token has expired."},
		answer{no403, "ExpiredToken", "The security token included in the request is expired"},
		"ExpiredTokenException", "",
	},
	Mismatch: {
		answer{no403, "SignatureDoesNotMatch", mismatchS3},
		answer{no403, "SignatureDoesNotMatch", mismatch},
		"InvalidSignatureException", "",
	},
	MissingPayloadHash: {
		answer{bad400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"},
		answer{bad400, "IncompleteSignature", "Missing the 'x-amz-content-sha256' in canonical headers."},
		"IncompleteSignatureException", "",
	},
	InvalidPayloadHash: {
		answer{bad400, "InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."},
		answer{no403, "SignatureDoesNotMatch", mismatch},
		"InvalidSignatureException", "",
	},
	ContentMismatch: {
		answer{bad400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."},
		answer{no403, "SignatureDoesNotMatch", mismatch},
		"InvalidSignatureException", "",
	},
	MissingLength: {
		answer{http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header."},
		answer{http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header."},
		"MissingContentLengthException", "",
	},
	IncompleteBody: {
		answer{bad400, "IncompleteBody", "The request body terminated unexpectedly"},
		answer{bad400, "IncompleteBody", "The request body terminated unexpectedly"},
		"IncompleteBodyException", "",
	},
	InvalidChunkSize: {
		answer{bad400, "InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes"},
		answer{bad400, "InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes"},
		"InvalidChunkSizeException", "",
	},
	MalformedTrailer: {
		answer{bad400, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema."},
		answer{bad400, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema."},
		"MalformedTrailerException", "",
	},
}
