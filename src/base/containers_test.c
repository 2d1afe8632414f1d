/* Vectors, lists and counted bytes. */
#include "base/list.h"
#include "base/shared.h"
#include "base/test.h"
#include "base/vec.h"

#include <pthread.h>
#include <string.h>

TEST(vec_push, answers_zeroed_elements_and_keeps_the_old_ones)
{
    VEC(struct {
        uint64_t a;
        char b[5];
    })
    vec = { 0 };
    for (size_t i = 0; i < 1000; i++) {
        __typeof__(vec.items) item = VEC_PUSH(&vec);
        EXPECT_EQ(item->a, 0);
        EXPECT_EQ(item->b[4], 0);
        item->a = i;
        memset(item->b, 1, sizeof(item->b));
        EXPECT_EQ(vec.count, i + 1);
        if (i % 7 == 6) { /* what comes again after a pop is zeroed too */
            EXPECT_EQ(VEC_POP(&vec).a, i);
            VEC_PUSH(&vec)->a = i;
        }
    }
    for (size_t i = 0; i < 1000; i++)
        EXPECT_EQ(vec.items[i].a, i);
    VEC_DEINIT(&vec);
    EXPECT(vec.items == NULL && vec.count == 0 && vec.capacity == 0);
    VEC_DEINIT(&vec);
}

TEST(vec_remove_at, closes_the_gap_at_every_place)
{
    for (int gone = 0; gone < 10; gone++) {
        VEC(int) vec = { 0 };
        for (int i = 0; i < 10; i++)
            VEC_ADD(&vec, i);
        VEC_REMOVE_AT(&vec, (size_t)gone);
        EXPECT_EQ(vec.count, 9);
        for (int i = 0; i < 9; i++)
            EXPECT_EQ(vec.items[i], i < gone ? i : i + 1);
        EXPECT_STOPS(VEC_REMOVE_AT(&vec, 9));
        VEC_DEINIT(&vec);
    }
}

struct node {
    int number;
    struct list link;
};

static void expect_numbers(struct list *head, const char *wanted)
{
    char got[16] = { 0 };
    size_t at = 0;
    LIST_FOR_EACH(head, link)
    {
        got[at++] = (char)('0' + LIST_ENTRY(link, struct node, link)->number);
    }
    EXPECT_TEXT(got, wanted);
}

TEST(list, keeps_order_through_pushes_pops_and_removals)
{
    struct list head;
    struct node nodes[5] = { 0 };
    list_init(&head);
    EXPECT(list_is_empty(&head));
    EXPECT(list_pop_front(&head) == NULL);
    for (int i = 0; i < 5; i++) {
        nodes[i].number = i;
        EXPECT(!list_is_linked(&nodes[i].link));
        if (i % 2 == 0)
            list_push_back(&head, &nodes[i].link);
        else
            list_push_front(&head, &nodes[i].link);
        EXPECT(list_is_linked(&nodes[i].link));
    }
    expect_numbers(&head, "31024");
    list_remove(&nodes[0].link);
    EXPECT(!list_is_linked(&nodes[0].link));
    list_remove(&nodes[0].link); /* again: nothing happens */
    expect_numbers(&head, "3124");
    EXPECT(LIST_ENTRY(list_pop_front(&head), struct node, link) == &nodes[3]);
    expect_numbers(&head, "124");
    LIST_FOR_EACH(&head, link)
    {
        list_remove(link);
    }
    EXPECT(list_is_empty(&head));
    struct list never = { 0 };
    list_remove(&never);
}

static void count_free(struct shared *shared, void *context)
{
    (*(int *)context)++;
    mem_free(shared);
}

TEST(shared_unref, frees_with_the_last_reference)
{
    int freed = 0;
    struct shared *shared = shared_new(100);
    EXPECT_EQ(shared->size, 100);
    memset(shared->data, 7, shared->size);
    shared->on_free = count_free;
    shared->context = &freed;
    for (int i = 0; i < 10; i++)
        EXPECT(shared_ref(shared) == shared);
    for (int i = 0; i < 10; i++)
        shared_unref(shared);
    EXPECT_EQ(freed, 0);
    shared_unref(shared);
    EXPECT_EQ(freed, 1);
    shared_unref(NULL);
    shared_unref(shared_new(0)); /* without on_free: the leak check would see it */
}

static void *ref_and_unref(void *argument)
{
    struct shared *shared = argument;
    for (int i = 0; i < 20000; i++) {
        shared_ref(shared);
        shared_unref(shared);
    }
    shared_unref(shared);
    return NULL;
}

TEST(shared, counts_across_threads)
{
    int freed = 0;
    struct shared *shared = shared_new(1);
    shared->on_free = count_free;
    shared->context = &freed;
    pthread_t threads[3];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        shared_ref(shared);
        EXPECT_EQ(pthread_create(&threads[i], NULL, ref_and_unref, shared), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        EXPECT_EQ(pthread_join(threads[i], NULL), 0);
    EXPECT_EQ(freed, 0);
    shared_unref(shared);
    EXPECT_EQ(freed, 1);
}
