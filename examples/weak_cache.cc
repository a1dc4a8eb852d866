// A cache that does not keep what it caches: it holds weak handles. Without the library it finds nothing, and the program makes everything anew.
// stdout: 100 pictures, all right; the cache is sound
#include <cstdio>
#include <gleaner.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

struct Picture {
    explicit Picture(int number) : number(number), pixels(1000, static_cast<char>('a' + number % 26)) {}
    int number;
    std::string pixels;
};

/* Pictures by number. Whoever asks for one owns it; the cache only knows where it is, while it is. */
class Cache {
  public:
    ~Cache() {
        for (auto &entry : entries) gleaner_weak_drop(entry.second.handle);
    }
    std::shared_ptr<Picture> get(int number) {
        auto &entry = entries[number];
        if (auto *known = static_cast<Link *>(gleaner_weak_get(entry.handle))) {
            hits++;
            if (auto picture = known->picture.lock()) return picture;
        }
        auto picture = std::make_shared<Picture>(number);
        auto *link = new Link{picture};
        gleaner_weak_drop(entry.handle);
        gleaner_weak_make(link, &entry.handle);
        owners.emplace_back(std::shared_ptr<Link>(link));
        return picture;
    }
    /* The links that the cache owned go; their handles lead nowhere then. */
    void shrink() { owners.clear(); }
    int hits = 0;

  private:
    struct Link {
        std::weak_ptr<Picture> picture;
    };
    struct Entry {
        uint64_t handle = 0;
    };
    std::map<int, Entry> entries;
    std::vector<std::shared_ptr<Link>> owners;
};

int main() {
    Cache cache;
    std::vector<std::shared_ptr<Picture>> shown;
    bool right = true;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            auto picture = cache.get(i);
            right = right && picture->number == i && picture->pixels[999] == static_cast<char>('a' + i % 26);
            if (round == 0) shown.push_back(picture);
        }
        gleaner_collect();
    }
    const int expected = gleaner_is_present() ? 200 : 0;
    bool sound = cache.hits == expected;
    cache.shrink();
    cache.get(1);
    sound = sound && cache.hits == expected;
    std::printf("100 pictures, %s; the cache is %s\n", right ? "all right" : "wrong", sound ? "sound" : "broken");
    return right && sound ? 0 : 1;
}
