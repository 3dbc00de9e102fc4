// Compiled at start by NVRTC for one model: its element type, head size, query heads per key-value head and block size, and the least part of a context, are macros, so that loops over
// them unroll. All arithmetic is in float32. Tensors are row-major and contiguous. What each kernel computes is in CudaKernels.cs.
#ifdef BFLOAT16
typedef unsigned short T;
__device__ __forceinline__ float widen(T x) { return __uint_as_float((unsigned)x << 16); }
__device__ __forceinline__ T narrow(float x) {
    unsigned bits = __float_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (T)((bits >> 16) | 0x40u); // NaN stays one.
    return (T)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
__device__ __forceinline__ void load8(const T* from, float* to) {
    uint4 packed = *reinterpret_cast<const uint4*>(from);
    unsigned words[4] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
    for (int i = 0; i < 4; i++) { to[2 * i] = __uint_as_float(words[i] << 16); to[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u); }
}
#else
typedef float T;
__device__ __forceinline__ float widen(T x) { return x; }
__device__ __forceinline__ T narrow(float x) { return x; }
__device__ __forceinline__ void load8(const T* from, float* to) {
    float4 low = reinterpret_cast<const float4*>(from)[0], high = reinterpret_cast<const float4*>(from)[1];
    to[0] = low.x; to[1] = low.y; to[2] = low.z; to[3] = low.w; to[4] = high.x; to[5] = high.y; to[6] = high.z; to[7] = high.w;
}
#endif

#define NEGATIVE_INFINITY __int_as_float(0xff800000)

__device__ __forceinline__ float sum_of_block(float value) {
    __shared__ float parts[32];
    for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(0xffffffffu, value, offset);
    if ((threadIdx.x & 31) == 0) parts[threadIdx.x >> 5] = value;
    __syncthreads();
    float total = 0;
    for (int warp = 0; warp < (int)(blockDim.x >> 5); warp++) total += parts[warp];
    return total;
}

// A row per block.
extern "C" __global__ void rms_norm(const T* x, const T* delta, const T* weight, T* sum, T* out, int width, float epsilon) {
    long long row = (long long)blockIdx.x * width;
    float squares = 0;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        float value = widen(x[row + i]);
        if (delta) {
            // The residual is kept as narrow as it is stored, and normed as stored.
            T stored = narrow(value + widen(delta[row + i]));
            sum[row + i] = stored;
            value = widen(stored);
        }
        squares += value * value;
    }
    float factor = rsqrtf(sum_of_block(squares) / width + epsilon);
    const T* from = delta ? sum : x;
    for (int i = threadIdx.x; i < width; i += blockDim.x)
        out[row + i] = narrow(widen(narrow(widen(from[row + i]) * factor)) * widen(weight[i]));
}

// A row of all heads per block, in place. Angles are those of the rows, or, with positions, those of all positions.
extern "C" __global__ void rotate(T* x, const T* cosines, const T* sines, const long long* positions, int heads) {
    const int half = HEAD / 2;
    long long row = blockIdx.x, angle = positions ? positions[row] : row;
    for (int i = threadIdx.x; i < heads * half; i += blockDim.x) {
        int pair = i % half;
        T* head = x + (row * heads + i / half) * HEAD;
        float cosine = widen(cosines[angle * half + pair]), sine = widen(sines[angle * half + pair]);
        float first = widen(head[pair]), second = widen(head[pair + half]);
        head[pair] = narrow(first * cosine - second * sine);
        head[pair + half] = narrow(second * cosine + first * sine);
    }
}

extern "C" __global__ void gated(const T* gate, const T* up, T* out, long long count, int gelu) {
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (long long)gridDim.x * blockDim.x) {
        float x = widen(gate[i]);
        float inside = gelu ? 1.5957691216057308f * (x + 0.044715f * x * x * x) : x;
        out[i] = narrow(x / (1.0f + expf(-inside)) * widen(up[i]));
    }
}

// A row of keys and values per block.
extern "C" __global__ void store(const T* keys, const T* values, const long long* slots, T* key_cache, T* value_cache, int width) {
    long long from = (long long)blockIdx.x * width, to = slots[blockIdx.x] * width;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        key_cache[to + i] = keys[from + i];
        value_cache[to + i] = values[from + i];
    }
}

// A row per block.
extern "C" __global__ void embed(const T* table, const long long* tokens, T* out, int width, float factor) {
    long long from = tokens[blockIdx.x] * width, to = (long long)blockIdx.x * width;
    for (int i = threadIdx.x; i < width; i += blockDim.x) out[to + i] = factor == 1.0f ? table[from + i] : narrow(widen(table[from + i]) * factor);
}

// A row per block of 1024 threads: the place of the largest, the lowest among equals; -1 where that is not finite.
extern "C" __global__ void most_likely(const T* logits, long long* out, int count) {
    __shared__ float values[32];
    __shared__ int places[32];
    __shared__ int damaged;
    if (threadIdx.x == 0) damaged = 0;
    __syncthreads();
    const T* row = logits + (long long)blockIdx.x * count;
    float best = NEGATIVE_INFINITY;
    int place = 0x7fffffff;
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        float value = widen(row[i]);
        if (value != value) damaged = 1;
        if (value > best) { best = value; place = i; }
    }
    for (int round = 0; round < 2; round++) {
        for (int offset = 16; offset > 0; offset >>= 1) {
            float value = __shfl_xor_sync(0xffffffffu, best, offset);
            int other = __shfl_xor_sync(0xffffffffu, place, offset);
            if (value > best || (value == best && other < place)) { best = value; place = other; }
        }
        if (round == 1) break;
        if ((threadIdx.x & 31) == 0) { values[threadIdx.x >> 5] = best; places[threadIdx.x >> 5] = place; }
        __syncthreads();
        best = values[threadIdx.x & 31];
        place = places[threadIdx.x & 31];
    }
    if (threadIdx.x == 0) out[blockIdx.x] = damaged || fabsf(best) == -NEGATIVE_INFINITY ? -1 : place;
}

#define WARPS 4
#define LANES (HEAD / 8)            // Lanes that share a key, eight numbers each.
#define KEYS_PER_WARP (32 / LANES)
#define WALKERS (WARPS * KEYS_PER_WARP) // Groups of lanes, each with keys of its own.
#define AHEAD 4                     // Keys of a walker under way together.

// One query row, one key-value head with all query heads of its group, and one split of the context per block: FlashDecoding (Dao et al., 2023).
// Behind the rows' lengths stand the blocks per row and the longest length. A row of length 0 is somebody else's.
extern "C" __global__ void __launch_bounds__(32 * WARPS) attend(
    const T* queries, const T* key_cache, const T* value_cache, const long long* blocks, const long long* lengths, T* out, float* parts,
    int key_heads, float scale, float cap, int window) {
    __shared__ float shared_max[WALKERS][GROUPS], shared_sum[WALKERS][GROUPS], shared_mix[WALKERS][GROUPS][HEAD];
    int row = blockIdx.x, key_head = blockIdx.y, split = blockIdx.z, splits = gridDim.z;
    int length = (int)lengths[row], chunk = max(LEAST_CHUNK, ((int)lengths[gridDim.x + 1] + splits - 1) / splits), seen = window > 0 && length > window ? length - window : 0;
    if (length == 0) return;
    int begin = max(seen, split * chunk), end = min(length, (split + 1) * chunk);
    int lane = threadIdx.x % LANES, walker = threadIdx.x / LANES;
    const long long* table = blocks + row * lengths[gridDim.x];
    float query[GROUPS][8], mix[GROUPS][8], largest[GROUPS], total[GROUPS];
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
        load8(queries + (((long long)row * key_heads + key_head) * GROUPS + g) * HEAD + lane * 8, query[g]);
        largest[g] = NEGATIVE_INFINITY;
        total[g] = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) { query[g][i] *= scale; mix[g][i] = 0; }
    }
    // All lanes of a warp make the same rounds, because they exchange numbers.
    for (int base = begin; base < end; base += WALKERS * AHEAD) {
        long long at[AHEAD];
        float score[AHEAD][GROUPS];
#pragma unroll
        for (int u = 0; u < AHEAD; u++) {
            int position = min(base + u * WALKERS + walker, end - 1);
            at[u] = ((table[position / BLOCK] * BLOCK + position % BLOCK) * key_heads + key_head) * HEAD + lane * 8;
        }
#pragma unroll
        for (int u = 0; u < AHEAD; u++) {
            float key[8];
            load8(key_cache + at[u], key);
#pragma unroll
            for (int g = 0; g < GROUPS; g++) {
                float dot = 0;
#pragma unroll
                for (int i = 0; i < 8; i++) dot += query[g][i] * key[i];
#pragma unroll
                for (int offset = LANES / 2; offset > 0; offset >>= 1) dot += __shfl_xor_sync(0xffffffffu, dot, offset);
                if (cap > 0) dot = cap * tanhf(dot / cap);
                score[u][g] = base + u * WALKERS + walker < end ? dot : NEGATIVE_INFINITY;
            }
        }
#pragma unroll
        for (int g = 0; g < GROUPS; g++) {
            float most = largest[g];
#pragma unroll
            for (int u = 0; u < AHEAD; u++) most = fmaxf(most, score[u][g]);
            float factor = most == NEGATIVE_INFINITY ? 1.0f : __expf(largest[g] - most);
            largest[g] = most;
            total[g] *= factor;
#pragma unroll
            for (int i = 0; i < 8; i++) mix[g][i] *= factor;
#pragma unroll
            for (int u = 0; u < AHEAD; u++) {
                score[u][g] = score[u][g] == NEGATIVE_INFINITY ? 0.0f : __expf(score[u][g] - most);
                total[g] += score[u][g];
            }
        }
#pragma unroll
        for (int u = 0; u < AHEAD; u++) {
            float value[8];
            load8(value_cache + at[u], value);
#pragma unroll
            for (int g = 0; g < GROUPS; g++)
#pragma unroll
                for (int i = 0; i < 8; i++) mix[g][i] += score[u][g] * value[i];
        }
    }
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
        if (lane == 0) { shared_max[walker][g] = largest[g]; shared_sum[walker][g] = total[g]; }
#pragma unroll
        for (int i = 0; i < 8; i++) shared_mix[walker][g][lane * 8 + i] = mix[g][i];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < GROUPS * HEAD; i += blockDim.x) {
        int g = i / HEAD, d = i % HEAD;
        float most = NEGATIVE_INFINITY, sum = 0, mixed = 0;
        for (int w = 0; w < WALKERS; w++) most = fmaxf(most, shared_max[w][g]);
        for (int w = 0; w < WALKERS; w++) {
            float factor = shared_max[w][g] == NEGATIVE_INFINITY ? 0.0f : expf(shared_max[w][g] - most);
            sum += factor * shared_sum[w][g];
            mixed += factor * shared_mix[w][g][d];
        }
        long long head = ((long long)row * key_heads + key_head) * GROUPS + g;
        if (splits == 1) {
            out[head * HEAD + d] = narrow(mixed / sum);
        } else {
            float* part = parts + (head * splits + split) * (HEAD + 2);
            part[d] = mixed;
            if (d == 0) { part[HEAD] = most; part[HEAD + 1] = sum; }
        }
    }
}

// A head of a row per block: the splits' parts become one.
extern "C" __global__ void combine(const float* parts, const long long* lengths, T* out, int heads, int splits) {
    if (lengths[blockIdx.x / heads] == 0) return;
    const float* own = parts + (long long)blockIdx.x * splits * (HEAD + 2);
    float most = NEGATIVE_INFINITY, sum = 0, mixed = 0;
    for (int s = 0; s < splits; s++) most = fmaxf(most, own[s * (HEAD + 2) + HEAD]);
    for (int s = 0; s < splits; s++) {
        const float* part = own + s * (HEAD + 2);
        float factor = part[HEAD] == NEGATIVE_INFINITY ? 0.0f : expf(part[HEAD] - most);
        sum += factor * part[HEAD + 1];
        mixed += factor * part[threadIdx.x];
    }
    out[(long long)blockIdx.x * HEAD + threadIdx.x] = narrow(mixed / sum);
}
