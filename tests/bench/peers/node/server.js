'use strict'
// The durable peer: fastify in front of PostgreSQL through a pool of connections, as a cluster of WORKERS processes.
// Environment: PORT, WORKERS (2), DATABASE_URL, POOL (10) connections of each worker.
const cluster = require('node:cluster')
const workers = Number(process.env.WORKERS || 2)

function number (id) {
  const match = /_(\d+)$/.exec(id || '')
  return match ? match[1] : '0'
}

const shown = {
  user: (u) => ({ user_id: 'user_' + u.id, username: u.username, karma: u.karma, joined_subreddits: [], created_at: +u.created_at }),
  subreddit: (s) => ({
    subreddit_id: 'sub_' + s.id, name: s.name, description: s.description, creator_id: 'user_' + s.creator_id,
    member_count: s.member_count, created_at: +s.created_at
  }),
  post: (p) => ({
    post_id: 'post_' + p.id, title: p.title, content: p.content, author_id: 'user_' + p.author_id,
    subreddit_id: 'sub_' + p.subreddit_id, upvotes: p.upvotes, downvotes: p.downvotes, is_repost: false, created_at: +p.created_at
  }),
  comment: (c) => ({
    comment_id: 'comment_' + c.id, post_id: 'post_' + c.post_id, author_id: 'user_' + c.author_id, content: c.content,
    upvotes: c.upvotes, downvotes: c.downvotes, parent_id: null, created_at: +c.created_at
  })
}

const sql = {
  register: 'INSERT INTO users(username) VALUES($1) RETURNING *',
  createSubreddit: 'INSERT INTO subreddits(name, description, creator_id) VALUES($1,$2,$3) RETURNING *',
  join: `WITH joined AS (INSERT INTO members(user_id, subreddit_id) VALUES($1,$2) RETURNING subreddit_id)
    UPDATE subreddits SET member_count = member_count + 1 WHERE id = (SELECT subreddit_id FROM joined)`,
  createPost: 'INSERT INTO posts(subreddit_id, author_id, title, content) VALUES($1,$2,$3,$4) RETURNING *',
  post: 'SELECT * FROM posts WHERE id = $1',
  createComment: 'INSERT INTO comments(post_id, author_id, content) VALUES($1,$2,$3) RETURNING *',
  // One statement, so one transaction: the vote, the post's counters, its author's karma.
  vote: `WITH old AS (SELECT value FROM votes WHERE post_id = $1 AND user_id = $2),
      new AS (INSERT INTO votes(post_id, user_id, value) VALUES($1,$2,$3)
        ON CONFLICT (post_id, user_id) DO UPDATE SET value = EXCLUDED.value RETURNING value),
      change AS (SELECT ($3::int = 1)::int - COALESCE((SELECT (value = 1)::int FROM old), 0) AS up,
                        ($3::int = -1)::int - COALESCE((SELECT (value = -1)::int FROM old), 0) AS down),
      counted AS (UPDATE posts SET upvotes = upvotes + change.up, downvotes = downvotes + change.down
        FROM change, new WHERE id = $1 RETURNING author_id)
    UPDATE users SET karma = karma + change.up - change.down
      FROM change, counted WHERE users.id = counted.author_id AND change.up <> change.down`,
  // The first 20 of each joined subreddit by the index, and the first 20 of those.
  feed: `SELECT best.*, s.name AS subreddit_name, u.username FROM
      (SELECT p.* FROM members m CROSS JOIN LATERAL
        (SELECT * FROM posts WHERE subreddit_id = m.subreddit_id ORDER BY score DESC, created_at DESC LIMIT 20) p
        WHERE m.user_id = $1 ORDER BY p.score DESC, p.created_at DESC LIMIT 20) best
      JOIN subreddits s ON s.id = best.subreddit_id JOIN users u ON u.id = best.author_id
      ORDER BY best.score DESC, best.created_at DESC`
}

function needs (...fields) {
  const properties = Object.fromEntries(fields.map((field) => [field, { type: 'string', minLength: 1 }]))
  return { schema: { body: { type: 'object', required: fields, properties } } }
}

function serve () {
  const { Pool } = require('pg')
  const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: Number(process.env.POOL || 10) })
  const app = require('fastify')({ logger: false, keepAliveTimeout: 65000 })
  const query = (name, ...values) => pool.query({ name, text: sql[name], values }) // prepared once a connection
  const ok = (data) => ({ success: true, data })
  const fail = (reply, code, error, message) => reply.code(code).send({ success: false, error, message })

  app.setErrorHandler((error, request, reply) => {
    if (error.code === '23505') return fail(reply, 409, 'Conflict', 'Already exists')
    if (error.code === '23503') return fail(reply, 404, 'NotFound', 'Refers to something that does not exist')
    return fail(reply, error.statusCode || 500, 'Error', error.message)
  })

  const create = (path, fields, name, values, show) => app.post(path, needs(...fields), async (request, reply) => {
    const result = await query(name, ...values(request.body))
    reply.code(201)
    return ok(show(result.rows[0]))
  })
  create('/api/auth/register', ['username'], 'register', (b) => [b.username], shown.user)
  create('/api/subreddits/create', ['name', 'description', 'creator_id'], 'createSubreddit',
    (b) => [b.name, b.description, number(b.creator_id)], shown.subreddit)
  create('/api/posts/create', ['subreddit_id', 'author_id', 'title', 'content'], 'createPost',
    (b) => [number(b.subreddit_id), number(b.author_id), b.title, b.content], shown.post)
  create('/api/comments/create', ['post_id', 'author_id', 'content'], 'createComment',
    (b) => [number(b.post_id), number(b.author_id), b.content], shown.comment)

  app.post('/api/subreddits/:id/join', needs('user_id'), async (request) => {
    await query('join', number(request.body.user_id), number(request.params.id))
    return ok({ message: 'Successfully joined subreddit' })
  })
  app.post('/api/posts/:id/vote', needs('user_id', 'vote_type'), async (request) => {
    await query('vote', number(request.params.id), number(request.body.user_id), request.body.vote_type === 'downvote' ? -1 : 1)
    return ok({ message: 'Vote recorded successfully' })
  })
  app.get('/health', async () => ok({ status: 'healthy' }))
  app.get('/api/posts/:id', async (request, reply) => {
    const result = await query('post', number(request.params.id))
    if (result.rows.length === 0) return fail(reply, 404, 'NotFound', 'Post not found')
    return ok({ ...shown.post(result.rows[0]), signature: null, signature_verified: false })
  })
  app.get('/api/feed/:id', async (request) => {
    const result = await query('feed', number(request.params.id))
    return ok(result.rows.map((p) => ({
      post: shown.post(p), subreddit_name: p.subreddit_name, author_username: p.username, score: p.score
    })))
  })
  app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
}

if (cluster.isPrimary) {
  for (let i = 0; i < workers; i++) cluster.fork()
  process.on('SIGTERM', () => process.exit(0)) // workers end with the channel
} else serve()
