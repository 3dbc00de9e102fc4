using AiFabric.Protocol.Control;

namespace AiFabric.Worker.Storage;

/// <summary>How far the model's way into this process is. Thread safe; read by the control port.</summary>
internal sealed class LoadingProgress
{
    private readonly Lock gate = new();
    private ModelLoading current = new() { State = LoadingState.Loading };
    private long done;

    /// <summary>What is to be said of it now.</summary>
    public ModelLoading Current
    {
        get
        {
            lock (gate)
                return current.TotalBytes is null ? current : current with { DownloadedBytes = Interlocked.Read(ref done) };
        }
    }

    /// <summary>The server is asked what there is. After a failure that goes on being told until something comes.</summary>
    public void Resolving()
    {
        lock (gate)
        {
            if (current.State != LoadingState.Failed)
                Set(new ModelLoading { State = LoadingState.Resolving });
        }
    }

    public void Downloading(long totalBytes) => Set(new ModelLoading { State = LoadingState.Downloading, TotalBytes = totalBytes });

    /// <summary>Another process downloads the same into the shared cache.</summary>
    public void Waiting(long totalBytes) => Set(new ModelLoading { State = LoadingState.Waiting, TotalBytes = totalBytes });

    /// <summary>Everything is here; weights go into memory.</summary>
    public void Loading() => Set(new ModelLoading { State = LoadingState.Loading });

    /// <param name="message">One line.</param>
    public void Failed(string message)
    {
        lock (gate)
            current = Current with { State = LoadingState.Failed, Message = message };
    }

    public void Add(long bytes) => Interlocked.Add(ref done, bytes);

    public void Reached(long bytes) => Interlocked.Exchange(ref done, bytes);

    private void Set(ModelLoading next)
    {
        lock (gate)
        {
            current = next;
            Interlocked.Exchange(ref done, 0);
        }
    }
}
