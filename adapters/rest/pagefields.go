package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// pageEnvelope is a page as the server sent it, with the fields beside the items.
type pageEnvelope struct {
	header    http.Header
	body      json.RawMessage
	unmarshal func([]byte, any) error
	top       object // the body's fields, once read is set
	read      bool
}

// text returns the text or the number at a path of the body, "" where there is none. A link may be an object with the
// text href, as in JSON:API and HAL.
func (a *pageEnvelope) text(path string, link bool) (string, error) {
	value, _ := a.value(path)
	if isNothing(value) || link && string(value) == "0" {
		return "", nil
	}
	if link {
		if href := objectOf(value)["href"]; href != nil {
			if value = bytes.TrimSpace(href); isNothing(value) {
				return "", nil
			}
		}
	}
	var text string
	switch {
	case json.Unmarshal(value, &text) == nil:
		return text, nil
	case !link && strings.Trim(string(value), "-0.") == "":
		return "0", nil // also of 0.0
	case !link && (value[0] == '-' || '0' <= value[0] && value[0] <= '9'):
		return string(value), nil // as the server wrote it: it may have more digits than a float64
	case link:
		return "", fmt.Errorf("the field %s of the page holds no link", path)
	}
	return "", fmt.Errorf("the field %s of the page holds neither text nor a number", path)
}

// value returns what is at a path of the body.
func (a *pageEnvelope) value(path string) (json.RawMessage, bool) {
	if !a.read {
		a.read = true
		if bytes.HasPrefix(bytes.TrimLeft(a.body, space), []byte("{")) {
			_ = a.unmarshal(a.body, &a.top) // cannot fail: the items were decoded from it
		}
	}
	return dig(a.top, path)
}

// dig follows a path of names that are joined by dots. A name may have dots itself: the longest name that exists is taken.
func dig(o object, path string) (json.RawMessage, bool) {
	for name := path; o != nil; {
		if value, there := o[name]; there {
			value = bytes.TrimSpace(value)
			if name == path {
				return value, true
			}
			if found, there := dig(objectOf(value), path[len(name)+1:]); there {
				return found, true
			}
		}
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 {
			break
		}
		name = name[:dot]
	}
	return nil, false
}

// hostOf returns the host and port of a URL, with the default port of its scheme.
func hostOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}
