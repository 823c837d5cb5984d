#include "engined/audit/compare.h"

#include <stdio.h>
#include <string.h>

#include "common/attributes.h"

#define SQL_BYTES   2048
#define NAME_BYTES  64
#define COLUMNS_MAX 24
#define SHOWN_BYTES 60
#define KEY_BYTES   192

struct shape {
    char columns[COLUMNS_MAX][NAME_BYTES]; /* those of the key first */
    int count, keys;
};

struct side {
    struct query *rows;
    bool more;
};

/* False: there is no such table. */
static bool read_shape(struct store *anew, const char *table, struct shape *shape)
{
    *shape = (struct shape){0};
    struct query *query =
        store_prepare(anew, "SELECT name, pk FROM pragma_table_info(?1) ORDER BY pk = 0, pk, cid");
    query_bind(query, "s", table);
    while (shape->count < COLUMNS_MAX && query_row(query)) {
        snprintf(shape->columns[shape->count++], NAME_BYTES, "%s", query_text_peek(query, 0));
        shape->keys += query_u64(query, 1) > 0;
    }
    query_drop(query);
    return shape->count > 0;
}

static void append(char *sql, const char *text)
{
    size_t length = strlen(sql);
    snprintf(sql + length, SQL_BYTES - length, "%s", text);
}

static void list_columns(char *sql, const struct shape *shape, int count)
{
    for (int i = 0; i < count; i++) {
        append(sql, i > 0 ? ", " : "");
        append(sql, shape->columns[i]);
    }
}

static void make_sql(const struct shape *shape, const struct check_table *table, char *sql)
{
    sql[0] = '\0';
    append(sql, "SELECT ");
    list_columns(sql, shape, shape->count);
    append(sql, " FROM ");
    append(sql, table->name);
    if (table->where != NULL) {
        append(sql, " WHERE ");
        append(sql, table->where);
    }
    append(sql, " ORDER BY ");
    list_columns(sql, shape, shape->keys);
}

static int compare_keys(const struct side *a, const struct side *b, const struct shape *shape)
{
    for (int i = 0; i < shape->keys; i++) {
        int64_t x = query_i64(a->rows, i), y = query_i64(b->rows, i);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

static const char *describe_key(const struct side *side, const struct shape *shape,
                                char out[static KEY_BYTES])
{
    size_t length = 0;
    for (int i = 0; i < shape->keys && length < KEY_BYTES; i++)
        length += (size_t)snprintf(out + length, KEY_BYTES - length, "%s%s %lld", i > 0 ? ", " : "",
                                   shape->columns[i], (long long)query_i64(side->rows, i));
    return out;
}

static bool is_same(const struct side *a, const struct side *b, int column)
{
    size_t a_length, b_length;
    if (query_is_null(a->rows, column) || query_is_null(b->rows, column))
        return query_is_null(a->rows, column) && query_is_null(b->rows, column);
    const void *x = query_blob_peek(a->rows, column, &a_length);
    const void *y = query_blob_peek(b->rows, column, &b_length);
    return a_length == b_length && (a_length == 0 || memcmp(x, y, a_length) == 0);
}

static const char *shown(const struct side *side, int column, char out[static SHOWN_BYTES])
{
    const char *text = query_text_peek(side->rows, column);
    snprintf(out, SHOWN_BYTES, "%s%.40s%s", text != NULL ? "\"" : "", text != NULL ? text : "null",
             text != NULL ? "\"" : "");
    return out;
}

static void compare_rows(const struct side *file, const struct side *anew, const struct shape *shape,
                         struct findings *findings)
{
    char key[KEY_BYTES], is[SHOWN_BYTES], must[SHOWN_BYTES];
    for (int i = shape->keys; i < shape->count; i++)
        if (!is_same(file, anew, i))
            findings_wrong(findings, "(%s): %s is %s, the log says %s", describe_key(file, shape, key),
                           shape->columns[i], shown(file, i, is), shown(anew, i, must));
}

static void merge(struct side *file, struct side *anew, const struct shape *shape, struct findings *findings)
{
    char key[KEY_BYTES];
    while (file->more || anew->more) {
        int order = !file->more ? 1 : !anew->more ? -1 : compare_keys(file, anew, shape);
        if (order < 0)
            findings_wrong(findings, "(%s) is there, but not by the log", describe_key(file, shape, key));
        else if (order > 0)
            findings_wrong(findings, "(%s) is missing", describe_key(anew, shape, key));
        else
            compare_rows(file, anew, shape, findings);
        if (order <= 0)
            file->more = query_row(file->rows);
        if (order >= 0)
            anew->more = query_row(anew->rows);
    }
}

void compare_rule(const struct check_table *table, char *out)
{
    snprintf(out, COMPARE_RULE_BYTES, "table %s is what the logs give", table->name);
}

void compare_table(struct store *file, struct store *anew, const char *domain,
                   const struct check_table *table, struct findings *findings)
{
    struct shape shape;
    char sql[SQL_BYTES], rule[COMPARE_RULE_BYTES], why[STORE_WHY_BYTES];
    compare_rule(table, rule);
    findings_rule(findings, domain, rule);
    struct side old = {0}, new = {0};
    if (read_shape(anew, table->name, &shape)) {
        make_sql(&shape, table, sql);
        old.rows = store_try_prepare(file, sql, why);
        new.rows = store_prepare(anew, sql);
    }
    if (old.rows == NULL || new.rows == NULL) {
        findings_wrong(findings, "it cannot be read: %s", why);
    } else {
        query_bind(old.rows, "");
        query_bind(new.rows, "");
        old.more = query_row(old.rows);
        new.more = query_row(new.rows);
        merge(&old, &new, &shape, findings);
        if (store_failed(file))
            findings_wrong(findings, "it cannot be read to its end: %s", store_error(file));
    }
    query_drop(old.rows);
    query_drop(new.rows);
    findings_rule_end(findings);
}

/* What a schema is made of, a text each, sorted. */
static const char schema_sql[] =
    "SELECT type || ' ' || name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' UNION "
    "SELECT 'column ' || m.name || '.' || c.name || ' ' || c.type || iif(c.\"notnull\", ' NOT NULL', '') || "
    "' key ' || c.pk "
    "FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE "
    "'sqlite_%' UNION "
    "SELECT iif(l.\"unique\", 'unique ', '') || 'index of ' || m.name || ' on ' || (SELECT "
    "group_concat(coalesce(x.name, "
    "'an expression') || ' ' || x.coll, ', ') FROM pragma_index_xinfo(l.name) x WHERE x.\"key\") "
    "FROM sqlite_schema m JOIN pragma_index_list(m.name) l WHERE m.type = 'table' ORDER BY 1";

void compare_schema(struct store *file, struct store *anew, const char *domain, struct findings *findings)
{
    char why[STORE_WHY_BYTES];
    findings_rule(findings, domain, COMPARE_SCHEMA_RULE);
    struct side old = {.rows = store_try_prepare(file, schema_sql, why)},
                new = {store_prepare(anew, schema_sql), false};
    if (old.rows == NULL) {
        findings_wrong(findings, "the schema cannot be read: %s", why);
    } else {
        query_bind(old.rows, "");
        query_bind(new.rows, "");
        old.more = query_row(old.rows);
        new.more = query_row(new.rows);
    }
    while (old.rows != NULL && (old.more || new.more)) {
        int order = !old.more   ? 1
                    : !new.more ? -1
                                : strcmp(query_text_peek(old.rows, 0), query_text_peek(new.rows, 0));
        if (order < 0)
            findings_wrong(findings, "there is %s, which does not belong there",
                           query_text_peek(old.rows, 0));
        else if (order > 0)
            findings_wrong(findings, "%s is missing", query_text_peek(new.rows, 0));
        if (order <= 0)
            old.more = query_row(old.rows);
        if (order >= 0)
            new.more = query_row(new.rows);
    }
    query_drop(old.rows);
    query_drop(new.rows);
    findings_rule_end(findings);
}
