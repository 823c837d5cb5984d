// The in-memory peer: net/http, one process, one RWMutex over maps and slices, nothing durable. The feed looks at all posts of
// the subreddits that were joined and keeps the best 20 in a heap. Standard library of Go 1.19 alone.
package main

import (
	"container/heap"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"
)

const feedLength = 20

type user struct {
	ID       string   `json:"user_id"`
	Name     string   `json:"username"`
	Karma    int      `json:"karma"`
	Joined   []string `json:"joined_subreddits"`
	Created  int64    `json:"created_at"`
	joinedTo []*subreddit
}

type subreddit struct {
	ID          string `json:"subreddit_id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Creator     string `json:"creator_id"`
	Members     int    `json:"member_count"`
	Created     int64  `json:"created_at"`
	isMember    map[string]bool
	posts       []*post
}

type post struct {
	ID        string `json:"post_id"`
	Title     string `json:"title"`
	Content   string `json:"content"`
	Author    string `json:"author_id"`
	Subreddit string `json:"subreddit_id"`
	Up        int    `json:"upvotes"`
	Down      int    `json:"downvotes"`
	Repost    bool   `json:"is_repost"`
	Created   int64  `json:"created_at"`
	number    int
	votes     map[string]int
	author    *user
	subreddit *subreddit
}

type comment struct {
	ID      string  `json:"comment_id"`
	Post    string  `json:"post_id"`
	Author  string  `json:"author_id"`
	Content string  `json:"content"`
	Up      int     `json:"upvotes"`
	Down    int     `json:"downvotes"`
	Parent  *string `json:"parent_id"`
	Created int64   `json:"created_at"`
}

type feedItem struct {
	Post      post   `json:"post"`
	Subreddit string `json:"subreddit_name"`
	Author    string `json:"author_username"`
	Score     int    `json:"score"`
}

type body struct {
	Username    string `json:"username"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Creator     string `json:"creator_id"`
	User        string `json:"user_id"`
	Subreddit   string `json:"subreddit_id"`
	Author      string `json:"author_id"`
	Title       string `json:"title"`
	Content     string `json:"content"`
	Vote        string `json:"vote_type"`
	Post        string `json:"post_id"`
}

type forum struct {
	lock       sync.RWMutex
	users      map[string]*user
	names      map[string]bool
	subreddits map[string]*subreddit
	posts      map[string]*post
	comments   map[string][]*comment
	commented  int
}

type failure struct {
	code          int
	name, message string
}

func now() int64 { return time.Now().UnixMilli() }

func notFound(what string) *failure { return &failure{404, "NotFound", what + " not found"} }

func (f *forum) register(b *body) (interface{}, *failure) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if b.Username == "" || f.names[b.Username] {
		return nil, &failure{409, "Conflict", "Username is already taken"}
	}
	u := &user{ID: fmt.Sprint("user_", len(f.users)+1), Name: b.Username, Created: now(), Joined: []string{}}
	f.users[u.ID] = u
	f.names[u.Name] = true
	return *u, nil
}

func (f *forum) createSubreddit(b *body) (interface{}, *failure) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if b.Name == "" || f.users[b.Creator] == nil {
		return nil, notFound("User")
	}
	s := &subreddit{ID: fmt.Sprint("sub_", len(f.subreddits)+1), Name: b.Name, Description: b.Description,
		Creator: b.Creator, Members: 1, Created: now(), isMember: map[string]bool{b.Creator: true}}
	f.subreddits[s.ID] = s
	return *s, nil
}

func (f *forum) join(id string, b *body) (interface{}, *failure) {
	f.lock.Lock()
	defer f.lock.Unlock()
	s, u := f.subreddits[id], f.users[b.User]
	if s == nil || u == nil {
		return nil, notFound("Subreddit or user")
	}
	if s.isMember[u.ID] {
		return nil, &failure{409, "Conflict", "Already a member"}
	}
	s.isMember[u.ID] = true
	s.Members++
	u.Joined = append(u.Joined, s.ID)
	u.joinedTo = append(u.joinedTo, s)
	return map[string]string{"message": "Successfully joined subreddit"}, nil
}

func (f *forum) createPost(b *body) (interface{}, *failure) {
	f.lock.Lock()
	defer f.lock.Unlock()
	s, u := f.subreddits[b.Subreddit], f.users[b.Author]
	if s == nil || u == nil || b.Title == "" {
		return nil, notFound("Subreddit or user")
	}
	p := &post{ID: fmt.Sprint("post_", len(f.posts)+1), Title: b.Title, Content: b.Content, Author: u.ID,
		Subreddit: s.ID, Created: now(), number: len(f.posts), author: u, subreddit: s}
	f.posts[p.ID] = p
	s.posts = append(s.posts, p)
	return *p, nil
}

func (f *forum) getPost(id string) (interface{}, *failure) {
	f.lock.RLock()
	defer f.lock.RUnlock()
	p := f.posts[id]
	if p == nil {
		return nil, notFound("Post")
	}
	return *p, nil
}

func (f *forum) vote(id string, b *body) (interface{}, *failure) {
	f.lock.Lock()
	defer f.lock.Unlock()
	p := f.posts[id]
	if p == nil || f.users[b.User] == nil {
		return nil, notFound("Post or user")
	}
	value := 1
	if b.Vote == "downvote" {
		value = -1
	}
	if p.votes == nil {
		p.votes = map[string]int{}
	}
	old := p.votes[b.User]
	p.votes[b.User] = value
	p.author.Karma += value - old
	for _, change := range [][2]int{{old, -1}, {value, 1}} {
		switch change[0] {
		case 1:
			p.Up += change[1]
		case -1:
			p.Down += change[1]
		}
	}
	return map[string]string{"message": "Vote recorded successfully"}, nil
}

func (f *forum) createComment(b *body) (interface{}, *failure) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.posts[b.Post] == nil || f.users[b.Author] == nil || b.Content == "" {
		return nil, notFound("Post or user")
	}
	f.commented++
	c := &comment{ID: fmt.Sprint("comment_", f.commented), Post: b.Post, Author: b.Author, Content: b.Content,
		Created: now()}
	f.comments[b.Post] = append(f.comments[b.Post], c)
	return *c, nil
}

// The worst comes first, to be pushed out by a better one.
type best []*post

func worse(a, b *post) bool {
	if x, y := a.Up-a.Down, b.Up-b.Down; x != y {
		return x < y
	}
	return a.number < b.number
}
func (h best) Len() int            { return len(h) }
func (h best) Less(i, j int) bool  { return worse(h[i], h[j]) }
func (h best) Swap(i, j int)       { h[i], h[j] = h[j], h[i] }
func (h *best) Push(x interface{}) { *h = append(*h, x.(*post)) }
func (h *best) Pop() interface{} {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

func (f *forum) feed(id string) (interface{}, *failure) {
	f.lock.RLock()
	defer f.lock.RUnlock()
	u := f.users[id]
	if u == nil {
		return nil, notFound("User")
	}
	h := make(best, 0, feedLength+1)
	for _, s := range u.joinedTo {
		for _, p := range s.posts {
			if len(h) < feedLength {
				heap.Push(&h, p)
			} else if worse(h[0], p) {
				h[0] = p
				heap.Fix(&h, 0)
			}
		}
	}
	items := make([]feedItem, len(h))
	for i := len(h) - 1; i >= 0; i-- {
		p := heap.Pop(&h).(*post)
		items[i] = feedItem{*p, p.subreddit.Name, p.author.Name, p.Up - p.Down}
	}
	return items, nil
}

func (f *forum) serve(path []string, b *body, isPost bool) (interface{}, int, *failure) {
	var data interface{}
	var bad *failure
	code := 200
	switch {
	case isPost && len(path) == 3 && path[1] == "auth" && path[2] == "register":
		data, bad = f.register(b)
		code = 201
	case isPost && len(path) == 3 && path[1] == "subreddits" && path[2] == "create":
		data, bad = f.createSubreddit(b)
		code = 201
	case isPost && len(path) == 4 && path[1] == "subreddits" && path[3] == "join":
		data, bad = f.join(path[2], b)
	case isPost && len(path) == 3 && path[1] == "posts" && path[2] == "create":
		data, bad = f.createPost(b)
		code = 201
	case isPost && len(path) == 4 && path[1] == "posts" && path[3] == "vote":
		data, bad = f.vote(path[2], b)
	case isPost && len(path) == 3 && path[1] == "comments" && path[2] == "create":
		data, bad = f.createComment(b)
		code = 201
	case !isPost && len(path) == 3 && path[1] == "posts":
		data, bad = f.getPost(path[2])
	case !isPost && len(path) == 3 && path[1] == "feed":
		data, bad = f.feed(path[2])
	case !isPost && len(path) == 1 && path[0] == "health":
		data = map[string]string{"status": "healthy"}
	default:
		bad = notFound("Route")
	}
	return data, code, bad
}

func (f *forum) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var b body
	isPost := r.Method == http.MethodPost
	if isPost {
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
			answer(w, 400, map[string]interface{}{"success": false, "error": "BadRequest", "message": err.Error()})
			return
		}
	}
	data, code, bad := f.serve(strings.Split(strings.Trim(r.URL.Path, "/"), "/"), &b, isPost)
	if bad != nil {
		answer(w, bad.code, map[string]interface{}{"success": false, "error": bad.name, "message": bad.message})
		return
	}
	answer(w, code, struct {
		Success bool        `json:"success"`
		Data    interface{} `json:"data"`
	}{true, data})
}

func answer(w http.ResponseWriter, code int, value interface{}) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Print(err)
	}
}

func main() {
	addr := flag.String("addr", "127.0.0.1:3002", "where to listen")
	flag.Parse()
	log.Fatal(http.ListenAndServe(*addr, &forum{users: map[string]*user{}, names: map[string]bool{},
		subreddits: map[string]*subreddit{}, posts: map[string]*post{}, comments: map[string][]*comment{}}))
}
