package datocmstest

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// bucketHost is the host of the bucket.
const bucketHost = "dato-images.s3-eu-west-1.amazonaws.com"

// grantTime is how long a signed URL of the bucket is valid.
const grantTime = 15 * time.Minute

// grant is the right to put a file into the bucket.
type grant struct {
	signature string
	until     time.Time
}

// asset is a file with its metadata.
type asset struct {
	id     string
	path   string
	fields object
}

func (a *asset) form() map[string]any {
	return map[string]any{"id": a.id, "type": "upload", "attributes": a.fields, "relationships": map[string]any{
		"creator": map[string]any{"data": ref{Type: "access_token", ID: "312"}},
	}}
}

// Files returns the files in the bucket by their paths.
func (s *Server) Files() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.bucket)
}

// Assets returns the names of the assets in the primary environment, in the order in which they were created.
func (s *Server) Assets() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	for _, a := range s.projects[""].assets {
		names = append(names, textOf(a.fields["filename"]))
	}
	return names
}

// AssetField returns an attribute of the asset with that name in the primary environment, in JSON.
func (s *Server) AssetField(filename, attribute string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	for _, a := range s.projects[""].assets {
		if textOf(a.fields["filename"]) == filename {
			return string(a.fields[attribute])
		}
	}
	return ""
}

// grantUpload returns a signed URL of the bucket.
func (c *call) grantUpload() response {
	e, ok := c.read("upload_request")
	var filename string
	if !ok || json.Unmarshal(e.Attributes["filename"], &filename) != nil || filename == "" || strings.Contains(filename, "/") {
		return invalidFormat()
	}
	c.made++
	place := fmt.Sprintf("/7/%d-%s", 1455102967+c.made, filename)
	sum := md5.Sum([]byte(place))
	g := grant{signature: hex.EncodeToString(sum[:]), until: time.Now().Add(grantTime)}
	c.grants[place] = g
	return succeed(http.StatusOK, map[string]any{"data": map[string]any{
		"id": place, "type": "upload_request", "attributes": map[string]any{
			"url": fmt.Sprintf("https://%s%s?X-Amz-Credential=AKIAJDTXTZHHDUCKAUMA%%2F20160210&X-Amz-Expires=%d&X-Amz-Signature=%s",
				bucketHost, place, int(grantTime.Seconds()), g.signature),
			"request_headers": map[string]string{"x-amz-acl": "public-read"},
		},
	}})
}

// put puts a file into the bucket.
func (s *Server) put(r *http.Request, content []byte) response {
	g, granted := s.grants[r.URL.Path]
	switch {
	case r.Method != http.MethodPut:
		return bucketFailure(http.StatusMethodNotAllowed, "MethodNotAllowed")
	case r.Header.Get("Authorization") != "":
		return bucketFailure(http.StatusBadRequest, "InvalidArgument") // only one way to authenticate
	case !granted || r.URL.Query().Get("X-Amz-Signature") != g.signature:
		return bucketFailure(http.StatusForbidden, "SignatureDoesNotMatch")
	case r.Header.Get("X-Amz-Acl") != "public-read", time.Now().After(g.until):
		return bucketFailure(http.StatusForbidden, "AccessDenied")
	case r.ContentLength < 0:
		return bucketFailure(http.StatusLengthRequired, "MissingContentLength")
	}
	s.bucket[r.URL.Path] = content
	return response{status: http.StatusOK}
}

// bucketFailure returns a refusal of the bucket.
func bucketFailure(status int, code string) response {
	return response{status: status, kind: "application/xml", text: fmt.Appendf(nil,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>No</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>", code)}
}

var uploadAttributes = []string{"path", "copyright", "author", "notes", "default_field_metadata", "tags"}

// createUpload starts a job that creates an asset from a file in the bucket.
func (c *call) createUpload() response {
	e, ok := c.read("upload")
	var place string
	if !ok || json.Unmarshal(e.Attributes["path"], &place) != nil || !only(e.Attributes, uploadAttributes...) || e.Meta != nil {
		return invalidFormat()
	}
	return c.begin("create upload", func() response {
		content, there := c.bucket[place]
		if !there {
			return invalidField("path", "VALIDATION_INVALID")
		}
		_, filename, _ := strings.Cut(path.Base(place), "-")
		sum := md5.Sum(content)
		a := &asset{id: c.newID(), path: place, fields: object{
			"filename": mustJSON(filename), "basename": mustJSON(strings.TrimSuffix(filename, path.Ext(filename))),
			"size": mustJSON(len(content)), "md5": mustJSON(hex.EncodeToString(sum[:])), "path": mustJSON(place),
			"url": mustJSON("https://www.datocms-assets.com" + place), "default_field_metadata": json.RawMessage(`{}`),
		}}
		maps.Copy(a.fields, e.Attributes)
		c.project.assets = append(c.project.assets, a)
		return succeed(http.StatusOK, map[string]any{"data": a.form()})
	})
}

func (c *call) listUploads() response {
	from, to, ok := c.page()
	if !ok || !onlyParams(c.query, "filter[ids]", "filter[fields]", "page[limit]", "page[offset]", "order_by", "locale") {
		return fail(http.StatusUnprocessableEntity, "INVALID_PARAMS", nil)
	}
	ids := c.ids()
	found := []map[string]any{}
	for _, a := range c.project.assets {
		if (ids == nil || slices.Contains(ids, a.id)) && matches(c.query, func(name string) json.RawMessage { return a.fields[name] }) {
			found = append(found, a.form())
		}
	}
	return succeed(http.StatusOK, map[string]any{
		"data": found[from(len(found)):to(len(found))], "meta": map[string]int{"total_count": len(found)},
	})
}

// asset returns the index of an asset in the list, -1 when there is none.
func (c *call) asset(id string) int {
	return slices.IndexFunc(c.project.assets, func(a *asset) bool { return a.id == id })
}

func (c *call) getUpload(id string) response {
	k := c.asset(id)
	if k < 0 {
		return notFound()
	}
	return succeed(http.StatusOK, map[string]any{"data": c.project.assets[k].form()})
}

func (c *call) updateUpload(id string) response {
	e, ok := c.read("upload")
	if !ok || e.ID != id || !only(e.Attributes, append([]string{"basename"}, uploadAttributes...)...) {
		return invalidFormat()
	}
	k := c.asset(id)
	if k < 0 {
		return notFound()
	}
	maps.Copy(c.project.assets[k].fields, e.Attributes)
	return succeed(http.StatusOK, map[string]any{"data": c.project.assets[k].form()})
}

// destroyAsset deletes an asset, unless that is refused.
func (c *call) destroyAsset(id string) (response, bool) {
	k := c.asset(id)
	if k < 0 {
		return notFound(), false
	}
	if code := c.refusals[refusal{"destroy", id}]; code != "" {
		return fail(http.StatusUnprocessableEntity, code, nil), false
	}
	a := c.project.assets[k]
	c.project.assets = slices.Delete(c.project.assets, k, k+1)
	return succeed(http.StatusOK, map[string]any{"data": a.form()}), true
}

func (c *call) destroyUpload(id string) response {
	if c.asset(id) < 0 {
		return notFound()
	}
	return c.begin("destroy upload", func() response {
		a, _ := c.destroyAsset(id)
		return a
	})
}

func (c *call) bulkDestroyUploads() response {
	e, ok := c.read("upload_bulk_destroy_operation")
	ids, named := c.bulkIDs(e, "uploads", "upload")
	if !ok || !named {
		return invalidFormat()
	}
	return c.begin("bulk destroy upload", func() response {
		successful := 0
		for _, id := range ids {
			if _, ok := c.destroyAsset(id); ok {
				successful++
			}
		}
		return counted(successful, len(ids)-successful)
	})
}
