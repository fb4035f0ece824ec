/** Stands for what an application recognises its users by. */
export async function userOf(request: Request): Promise<{ events: string[] } | null> {
  return request.headers.get('Cookie') === 'user=zoe' ? { events: ['e-readme'] } : null;
}
