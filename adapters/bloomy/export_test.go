package bloomy

// NewHTTPClient is for tests, which give it another transport.
var NewHTTPClient = newHTTPClient
